# Tests on real MPI, hosts of their own, Slurm, GlusterFS and failing file systems. Each brings up what it needs, as root, and is
# skipped with a line that says why where it cannot. They mostly wait, so several run at once (ctest -j).
add_executable(store_ledger ${PROJECT_SOURCE_DIR}/tests/tools/store_ledger.cc)
target_link_libraries(store_ledger PRIVATE decant::store decant_flags)

set(cluster ${PROJECT_SOURCE_DIR}/tests/cluster)

function(decant_cluster_test name label timeout)
  add_test(NAME ${name} COMMAND ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout} SKIP_RETURN_CODE 77
    ENVIRONMENT DECANT_JOB_FOLDER=${PROJECT_BINARY_DIR}/tests/cluster_jobs)
endfunction()

# decant_scenarios(<script> <label> <scenario>...): a test for each scenario of a script.
function(decant_scenarios script label)
  foreach(scenario IN LISTS ARGN)
    decant_cluster_test(${script}.${scenario} ${label} 900 ${cluster}/${script}.sh
      $<TARGET_FILE:decant> ${PROJECT_SOURCE_DIR} $<TARGET_FILE:store_ledger> $<TARGET_FILE:make_store> ${scenario})
  endforeach()
endfunction()

if(DECANT_TORCH AND DECANT_MPI)
  set(programs --decant $<TARGET_FILE:decant> --ledger $<TARGET_FILE:store_ledger>)
  decant_cluster_test(campaign crash 900 ${cluster}/campaign --kills 20 --ranks 3 ${programs})
  decant_cluster_test(campaign_on_hosts crash 900 ${cluster}/campaign --kills 6 --ranks 3 --hosts 3 ${programs})
  decant_scenarios(slurm_jobs slurm
    srun mpirun usr1 scancel requeue node_down host_dies first_host_dies controller_dies array)
  decant_scenarios(file_system_faults crash full_disk full_scratch full_disk_at_commit fsync_fails power_cut brick_lost)
  decant_scenarios(links mpi cut_for_5_seconds cut_for_good cut_with_recovery rank_counts)
  decant_scenarios(two_coordinators crash refused killed frozen frozen_program frozen_rank_0 without_locks)
  # The longest ones first: seconds.
  set_tests_properties(campaign PROPERTIES COST 200)
  set_tests_properties(links.rank_counts demo PROPERTIES COST 140)
  set_tests_properties(slurm_jobs.host_dies slurm_jobs.first_host_dies file_system_faults.full_disk
    two_coordinators.frozen two_coordinators.without_locks file_system_faults.fsync_fails file_system_faults.brick_lost train_on_ranks
    PROPERTIES COST 80)
endif()
