-- The server's clock and its version.
select now(), current_setting('server_version')
