-- The log's head, locked last and held for one commit: it orders all workers.
SELECT size, root, edge FROM log_head FOR UPDATE
