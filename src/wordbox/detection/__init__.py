"""From a shortlist of candidate boxes to Detections, and the Detector that makes them."""
