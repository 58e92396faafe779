find_package(OpenSSL REQUIRED)
headrace_records(${folder}/records.proto)
list(APPEND MODULE_LINKS hr_process hr_expression hr_document hr_base OpenSSL::Crypto)
