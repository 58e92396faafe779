# Of the server only its turns: neither the pump's threads nor what serves HTTP.
list(APPEND sources ${CMAKE_SOURCE_DIR}/src/server/managers.cc)
list(APPEND MODULE_LINKS hr_environment hr_process hr_cluster hr_store hr_base)

add_executable(headrace-sim ${folder}/sim_main.cc)
target_link_libraries(headrace-sim PRIVATE hr_sim)
