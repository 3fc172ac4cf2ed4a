"""The core under seeded faults, in one thread: `make sim`, docs/adr/0026."""
