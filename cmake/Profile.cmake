# Profile-guided optimization: a build that counts what is run (generate), and one that is made from the counts (use). They
# share a build directory: GCC looks for an object's counts beside it. bench/train does both.
set(VECMUX_PROFILE "" CACHE STRING "Profile-guided optimization by GCC: generate or use; bench/train does both")
if(NOT VECMUX_PROFILE STREQUAL "")
  if(NOT CMAKE_C_COMPILER_ID STREQUAL GNU)
    message(FATAL_ERROR "VECMUX_PROFILE is \"${VECMUX_PROFILE}\", but the compiler is ${CMAKE_C_COMPILER_ID}: only GCC's profiles "
                        "are known; leave it empty")
  endif()
  if(VECMUX_PROFILE STREQUAL generate)
    add_compile_options(-fprofile-generate -fprofile-update=atomic)
    add_link_options(-fprofile-generate)
  elseif(VECMUX_PROFILE STREQUAL use)
    # What was never run is optimized as ever, not for size.
    add_compile_options(-fprofile-use -fprofile-partial-training -Wno-missing-profile)
  else()
    message(FATAL_ERROR "VECMUX_PROFILE is \"${VECMUX_PROFILE}\"; give generate, use or nothing")
  endif()
endif()
