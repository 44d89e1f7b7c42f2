SELECT district, COUNT(DISTINCT resident_id) AS persons, COUNT(*) AS visits, AVG(cost) AS mean_cost
FROM visits
GROUP BY district
ORDER BY district
