# vmx_proto_library(<target> <dir> <file.proto>...): an object library of the C code that protoc-c makes of the files,
# each named relative to <dir>. Code is generated at build time, into the build tree.
function(vmx_proto_library target dir)
  set(out ${CMAKE_BINARY_DIR}/proto)
  file(MAKE_DIRECTORY ${out})
  set(sources)
  foreach(proto ${ARGN})
    string(REGEX REPLACE "\\.proto$" ".pb-c" stem ${proto})
    add_custom_command(
      OUTPUT ${out}/${stem}.c ${out}/${stem}.h
      COMMAND ${PROTOC_C} -I ${dir} -I ${VMX_PROTOBUF_INCLUDE_DIR} --c_out=${out} ${proto}
      DEPENDS ${dir}/${proto}
      VERBATIM)
    list(APPEND sources ${out}/${stem}.c ${out}/${stem}.h)
  endforeach()
  add_library(${target} OBJECT ${sources})
  target_include_directories(${target} SYSTEM PUBLIC ${out})
  target_link_libraries(${target} PUBLIC PkgConfig::PROTOBUF_C)
endfunction()

find_path(VMX_PROTOBUF_INCLUDE_DIR google/protobuf/struct.proto REQUIRED)
