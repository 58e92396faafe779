find_package(OpenSSL REQUIRED)
headrace_records(${folder}/records.proto)
list(APPEND MODULE_LINKS hr_process hr_expression hr_document hr_base OpenSSL::Crypto)

# The shipped blueprints are among what the tests load.
set_source_files_properties(${folder}/blueprint_test.cc ${folder}/planner_test.cc PROPERTIES
                            COMPILE_DEFINITIONS BLUEPRINTS="${CMAKE_SOURCE_DIR}/blueprints")
