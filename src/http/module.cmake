find_package(OpenSSL REQUIRED)
list(APPEND MODULE_LINKS hr_base OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
