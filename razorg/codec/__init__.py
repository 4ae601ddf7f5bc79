"""The Codec plug: values ⇄ bytes, with msgpack (default) and msgspec behind one interface."""
