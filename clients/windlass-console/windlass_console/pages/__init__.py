"""One module a page (with its fragments and actions): ROUTES, and NAVS for the list of pages."""
