find_package(Boost 1.81 REQUIRED COMPONENTS json)
list(APPEND MODULE_LINKS hr_base Boost::json)
headrace_records(${folder}/records.proto)
