-- Tells of a number that was given: what this server does not know of is lost, and is reported as a gap.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 epoch  2 seq (the newest that is known of)  3 random, for a new epoch
compare(KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3], false)
