# An nproc that minds the workspace's quota, as that of coreutils does from 9.8 on (with cgroup v2 only): before, it counts
# the processors that a process may run on, and a quota takes none of them away.
{
  runCommand,
  bash,
  coreutils,
}:
runCommand "nixws-nproc"
  {
    text = ''
      #!${bash}/bin/bash
      # What the kernel says is online, or lxcfs: the limit, rounded up. As a bound, so that taskset counts too.
      if [ -z "''${OMP_NUM_THREADS-}''${OMP_THREAD_LIMIT-}" ] && read -r online < /sys/devices/system/cpu/online; then
        IFS=, count=0
        for range in $online; do
          count=$((count + ''${range#*-} - ''${range%-*} + 1))
        done
        export OMP_THREAD_LIMIT=$count
      fi
      exec ${coreutils}/bin/nproc "$@"
    '';
    passAsFile = [ "text" ];
  }
  ''
    mkdir -p $out/bin
    cp $textPath $out/bin/nproc
    chmod 755 $out/bin/nproc
  ''
