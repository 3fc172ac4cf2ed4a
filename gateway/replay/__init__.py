"""Other people's visits, settled through a sandbox gateway of their own."""
