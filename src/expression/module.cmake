list(APPEND MODULE_LINKS hr_base hr_document PkgConfig::RE2)

# `cel_conformance`: the public cases, read from the Go module cel.dev/expr where CEL_SPEC names its folder.
if(CEL_SPEC)
  find_package(Protobuf REQUIRED)
  set(cel_out ${CMAKE_BINARY_DIR}/generated/cel_spec)
  set(cel_sources "")
  foreach(name checked eval syntax value conformance/test/simple)
    list(APPEND cel_protos ${CEL_SPEC}/proto/cel/expr/${name}.proto)
    list(APPEND cel_sources ${cel_out}/cel/expr/${name}.pb.cc)
  endforeach()
  # The messages of the cases are only read past: known by their descriptions, not compiled.
  set(cel_messages ${CEL_SPEC}/proto/cel/expr/conformance)
  add_custom_command(
    OUTPUT ${cel_sources} ${cel_out}/messages
    COMMAND ${CMAKE_COMMAND} -E make_directory ${cel_out}
    COMMAND protobuf::protoc --proto_path=${CEL_SPEC}/proto --cpp_out=${cel_out} ${cel_protos}
    COMMAND protobuf::protoc --proto_path=${CEL_SPEC}/proto --include_imports --descriptor_set_out=${cel_out}/messages
            ${cel_messages}/proto2/test_all_types_extensions.proto ${cel_messages}/proto3/test_all_types.proto)
  set_source_files_properties(${cel_sources} PROPERTIES COMPILE_OPTIONS "-w")
  add_executable(cel_conformance EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/tests/cel_conformance.cc ${cel_sources})
  target_include_directories(cel_conformance SYSTEM PRIVATE ${cel_out})
  target_compile_definitions(cel_conformance PRIVATE CEL_MESSAGES="${cel_out}/messages" CEL_SPEC="${CEL_SPEC}")
  target_link_libraries(cel_conformance PRIVATE hr_expression protobuf::libprotobuf)
endif()
