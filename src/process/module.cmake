list(APPEND MODULE_LINKS hr_base)
headrace_records(${folder}/records.proto)
