"""Other libraries, each set up as its own documents propose it under gevent. Only `scripts/bench --peers` imports them."""
