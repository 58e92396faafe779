list(APPEND MODULE_LINKS hr_base)
