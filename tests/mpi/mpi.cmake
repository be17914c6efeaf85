# The battery that every Communicator must pass, under mpirun. Its cases: job_battery.cc.
add_executable(cluster_conformance mpi/cluster_conformance.cc)
target_link_libraries(cluster_conformance PRIVATE job_battery decant::mpi)
file(STRINGS mpi/job_battery.cc cases REGEX "^      {\"")
foreach(case IN LISTS cases)
  string(REGEX REPLACE "^ *{\"([A-Za-z]+)\".*$" "\\1" name "${case}")
  set(dead 0)
  if(case MATCHES ", ([0-9]+)}")
    set(dead ${CMAKE_MATCH_1})
  endif()
  add_test(NAME mpi.${name}
    COMMAND ${PROJECT_SOURCE_DIR}/tests/mpi/conformance.sh $<TARGET_FILE:cluster_conformance> ${name} ${dead})
  set_tests_properties(mpi.${name} PROPERTIES LABELS mpi TIMEOUT 90 RUN_SERIAL ON)
endforeach()
