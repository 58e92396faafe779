find_package(OpenSSL REQUIRED)
list(APPEND MODULE_LINKS hr_environment hr_process hr_cluster hr_store hr_world hr_base OpenSSL::Crypto)
