-- Persons and households that alerts and cases are about.
SELECT subject, person, household FROM alert
WHERE person IS NOT NULL OR household IS NOT NULL
UNION
SELECT subject, person, household FROM alert_case
WHERE person IS NOT NULL OR household IS NOT NULL
