-- The rows that were refused, as CSV.
SELECT refused FROM roster_delivery WHERE version = $1
