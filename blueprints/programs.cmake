# Programs of the blueprints' applications.
foreach(part in-stream-processing/apps/x-replay in-stream-processing/apps/tweet-source
        in-stream-processing/images/probe)
  if(EXISTS ${CMAKE_SOURCE_DIR}/blueprints/${part}/programs.cmake)
    include(blueprints/${part}/programs.cmake)
  endif()
endforeach()
