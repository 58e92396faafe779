find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(OpenSSL REQUIRED)
list(APPEND MODULE_LINKS hr_server hr_http Boost::json OpenSSL::Crypto)

add_executable(server_bench EXCLUDE_FROM_ALL ${folder}/server_bench.cc)
target_link_libraries(server_bench PRIVATE hr_api)
