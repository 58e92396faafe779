find_package(SQLite3 REQUIRED)
list(APPEND MODULE_LINKS hr_base SQLite::SQLite3)
