"""Training and segmentation runs: started, followed, cancelled."""
