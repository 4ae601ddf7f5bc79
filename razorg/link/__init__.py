"""What both ends of a connection share: reading frames, writing frames, the tick of a second."""
