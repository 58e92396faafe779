list(APPEND MODULE_LINKS hr_base hr_world hr_http hr_docker re2)
# cluster/local is tested on the simulator's engine, which stands alone.
list(APPEND tests ${CMAKE_SOURCE_DIR}/src/sim/sim_engine.cc)

add_executable(cluster_bench EXCLUDE_FROM_ALL ${folder}/offers/matcher_bench.cc)
target_link_libraries(cluster_bench PRIVATE hr_cluster hr_store)

headrace_records(${folder}/offers/records.proto)
