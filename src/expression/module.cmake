list(APPEND MODULE_LINKS hr_base hr_document PkgConfig::RE2)
