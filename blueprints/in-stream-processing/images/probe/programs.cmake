# The images compile the probe by themselves (`compile`: static, without this build); here are its tests.
file(GLOB probe_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.cc)
list(FILTER probe_sources EXCLUDE REGEX "/main\\.cc$")
add_executable(probe_test ${probe_sources})
target_link_libraries(probe_test PRIVATE GTest::gmock GTest::gtest_main Threads::Threads)
gtest_discover_tests(probe_test DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 60)
