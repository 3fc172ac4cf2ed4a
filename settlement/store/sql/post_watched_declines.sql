-- Let the watch look at declines, in this order; the log's head is locked.
INSERT INTO watched_decline (id) SELECT unnest($1::bytea[])
