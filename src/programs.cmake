add_executable(headrace src/main.cc)
target_link_libraries(headrace PRIVATE hr_cli)
