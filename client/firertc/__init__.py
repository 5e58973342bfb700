"""FireRTC: serverless WebRTC signaling over Cloud Firestore."""
