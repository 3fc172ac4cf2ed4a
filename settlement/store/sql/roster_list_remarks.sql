-- Lines that were taken and are worth a look.
SELECT DISTINCT line, field, reason, value_class FROM roster_remark
ORDER BY line, reason
