-- Files whose time is over: they name persons, and go even if no hospital sends another.
DELETE FROM his_file WHERE ends_at < $1
