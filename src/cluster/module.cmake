list(APPEND MODULE_LINKS hr_base hr_docker re2)  # the engine and JSON for local

add_executable(cluster_bench EXCLUDE_FROM_ALL ${folder}/offers/matcher_bench.cc)
target_link_libraries(cluster_bench PRIVATE hr_cluster hr_store)

headrace_records(${folder}/offers/records.proto)
