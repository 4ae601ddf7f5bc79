"""Many clients and many servers without sockets: the decisions are razorg's, the rest is simulated."""
