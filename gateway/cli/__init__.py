"""The `medaid` commands, one module for each group."""
