-- The newest version of a document, and which put made it.
select version, put_id from windlass.document where plugin = %(plugin)s and name = %(name)s
