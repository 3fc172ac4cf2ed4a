-- Why a settlement was declined.
SELECT reason, settled_at FROM settlement WHERE id = $1 AND state = 'd'
