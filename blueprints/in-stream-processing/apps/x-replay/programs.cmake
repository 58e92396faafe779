find_package(Boost 1.81 REQUIRED COMPONENTS json)
set(folder ${CMAKE_CURRENT_LIST_DIR})
add_library(isp_x_replay STATIC ${folder}/corpus.cc ${folder}/rule.cc ${folder}/truth.cc ${folder}/replay.cc
                                ${folder}/api.cc)
target_include_directories(isp_x_replay PUBLIC ${folder})
target_link_libraries(isp_x_replay PUBLIC hr_http hr_base Boost::json)
add_executable(x-replay ${folder}/main.cc)
target_link_libraries(x-replay PRIVATE isp_x_replay)
add_executable(x_replay_test ${folder}/corpus_test.cc ${folder}/rule_test.cc ${folder}/api_test.cc)
target_link_libraries(x_replay_test PRIVATE isp_x_replay GTest::gmock GTest::gtest_main)
target_compile_definitions(x_replay_test PRIVATE MODEL_FOLDER="${folder}/../../model"
                           MOVIES_FILE="${folder}/../../schema/movies.json")
gtest_discover_tests(x_replay_test DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 120)
