# At installation: copies the shared libraries that `module` needs, and those that they need, into `package`/_libs.
#
# A copy has a name of its own, with a part of its digest: the process may have another libcrypto.so.3 or libjpeg.so.62,
# of Python, Pillow or PyTorch, and either would get the other's. glibc and the C++ compiler's libraries are the system's:
# there can be one of each in a process, and the newest serves all.
cmake_policy(VERSION 3.25)
set(of_the_system
  "^ld-linux" "^lib(c|m|dl|rt|util|pthread|resolv|nsl|anl|mvec)\\.so" "^lib(stdc\\+\\+|gcc_s|gomp|atomic)\\.so")
file(GET_RUNTIME_DEPENDENCIES MODULES ${module} RESOLVED_DEPENDENCIES_VAR libraries PRE_EXCLUDE_REGEXES ${of_the_system})

file(REMOVE_RECURSE ${package}/_libs)
set(copies "")
set(renaming "")
foreach(library IN LISTS libraries)
  get_filename_component(name ${library} NAME)
  file(SHA256 ${library} digest)
  string(SUBSTRING ${digest} 0 8 digest)
  string(REGEX REPLACE "\\.so(.*)$" "-${digest}.so\\1" new_name ${name})
  file(REAL_PATH ${library} contents)
  configure_file(${contents} ${package}/_libs/${new_name} COPYONLY)
  list(APPEND copies ${new_name})
  list(APPEND renaming --replace-needed ${name} ${new_name})
endforeach()

foreach(copy IN LISTS copies)
  execute_process(COMMAND ${patchelf} --set-soname ${copy} --force-rpath --set-rpath "$ORIGIN" ${renaming}
    ${package}/_libs/${copy} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
execute_process(COMMAND ${patchelf} --force-rpath --set-rpath "$ORIGIN/_libs" ${renaming} ${module} COMMAND_ERROR_IS_FATAL ANY)

# The licences of what is carried, where Debian's packages tell them.
find_program(DPKG_QUERY dpkg-query)
set(texts "")
foreach(library IN LISTS libraries)
  if(NOT DPKG_QUERY)
    break()
  endif()
  file(REAL_PATH ${library} contents)
  string(REGEX REPLACE "^/usr/" "/" unmerged ${contents})
  execute_process(COMMAND ${DPKG_QUERY} --search ${contents} ${unmerged} OUTPUT_VARIABLE owner ERROR_QUIET)
  string(REGEX MATCH "^[^:]+" owner "${owner}")
  if(owner AND EXISTS /usr/share/doc/${owner}/copyright)
    file(READ /usr/share/doc/${owner}/copyright copyright)
    string(REGEX MATCHALL "/usr/share/common-licenses/[A-Za-z]+(-[0-9]+(\\.[0-9]+)?)?" common "${copyright}")
    list(APPEND texts ${common})
    configure_file(/usr/share/doc/${owner}/copyright ${package}/_libs/licenses/${owner}.txt COPYONLY)
  endif()
endforeach()
list(REMOVE_DUPLICATES texts)
foreach(text IN LISTS texts)
  if(EXISTS ${text})
    file(REAL_PATH ${text} contents)
    get_filename_component(name ${text} NAME)
    configure_file(${contents} ${package}/_libs/licenses/${name} COPYONLY)
  endif()
endforeach()
