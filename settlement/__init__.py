"""What the project exists for: deciding, settling and reversing medical aid."""
