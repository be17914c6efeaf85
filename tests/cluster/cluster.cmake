# Tests on real MPI, hosts of their own, Slurm, GlusterFS and failing file systems. Each brings up what it needs, as root, and is
# skipped with a line that says why where it cannot.
add_executable(store_ledger ${PROJECT_SOURCE_DIR}/tests/tools/store_ledger.cc)
target_link_libraries(store_ledger PRIVATE decant::store decant_flags)

function(decant_cluster_test name label timeout)
  add_test(NAME ${name} COMMAND ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout} SKIP_RETURN_CODE 77 RUN_SERIAL ON)
endfunction()

set(cluster ${PROJECT_SOURCE_DIR}/tests/cluster)
set(program --decant $<TARGET_FILE:decant> --ledger $<TARGET_FILE:store_ledger>)
if(DECANT_TORCH AND DECANT_MPI)
  decant_cluster_test(campaign crash 300 ${cluster}/campaign --kills 20 --ranks 3 ${program})
  decant_cluster_test(campaign_on_hosts crash 300 ${cluster}/campaign --kills 6 --ranks 3 --hosts 3 ${program})
endif()
