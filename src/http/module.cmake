find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(OpenSSL REQUIRED)
list(APPEND MODULE_LINKS hr_base Boost::json OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
