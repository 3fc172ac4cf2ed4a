"""Real gateways, a real PostgreSQL, and everything that can befall them."""
