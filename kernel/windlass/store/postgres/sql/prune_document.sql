-- Removes the versions that are kept no more. After put_document.sql, whose lock it needs: a version that is stored meanwhile is not seen.
delete from windlass.document_version where plugin = %(plugin)s and name = %(name)s and version < %(oldest)s
