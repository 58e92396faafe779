find_package(SQLite3 REQUIRED)
list(APPEND MODULE_LINKS hr_base SQLite::SQLite3)

find_package(benchmark)
if(benchmark_FOUND)
  add_executable(store_bench EXCLUDE_FROM_ALL ${folder}/store_bench.cc)
  target_link_libraries(store_bench PRIVATE hr_store benchmark::benchmark)
endif()
