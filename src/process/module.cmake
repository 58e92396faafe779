list(APPEND MODULE_LINKS hr_base)
headrace_records(${folder}/records.proto)

add_executable(process_bench EXCLUDE_FROM_ALL ${folder}/manager_bench.cc)
target_link_libraries(process_bench PRIVATE hr_process)
