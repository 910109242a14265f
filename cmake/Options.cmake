# Compiler settings shared by every target.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Warnings of our own code; generated code is compiled without them.
add_library(vmx_warnings INTERFACE)
target_compile_options(vmx_warnings INTERFACE -Wall -Wextra -Wshadow -Wvla
                       $<$<COMPILE_LANGUAGE:C>:-Wconversion -Wstrict-prototypes -Wmissing-prototypes>)
if(VECMUX_WERROR)
  target_compile_options(vmx_warnings INTERFACE -Werror)
endif()

add_compile_definitions(_GNU_SOURCE)
if(VECMUX_SANITIZE)
  add_compile_options(-fsanitize=${VECMUX_SANITIZE} -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${VECMUX_SANITIZE})
  if(VECMUX_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
